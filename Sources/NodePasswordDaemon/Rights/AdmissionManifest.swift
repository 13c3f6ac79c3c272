import NodePasswordCore

/// Admission policies with their bindings (`admissionregistration.k8s.io/v1`, Kubernetes 1.30 and later). The expressions
/// about Secrets are those that were seen to work (observed-k3s 12): without `has()` a collection delete ends in an error,
/// without `reason` a denial is 422 instead of 403.
enum AdmissionManifest {
  static var text: String {
    head + [secrets, ledger, approvals].map { $0.text + "---\n" + $0.binding }.joined(separator: "---\n")
  }

  private struct Policy {
    /// Before `.nodepassd.io`.
    var name: String
    var comment: String
    /// What is judged when it is written.
    var resources: String
    var operations = "CREATE, UPDATE, DELETE"
    /// Which writes.
    var condition = only
    var validations: String

    private var metadata: String { "metadata:\n  name: \(name).nodepassd.io\n" }

    var text: String {
      comment + "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\n" + metadata + spec
        + validations
    }

    private var spec: String {
      """
      spec:
        failurePolicy: Fail
        matchConstraints:
          resourceRules:
            - apiGroups: [""]
              apiVersions: [v1]
              operations: [\(operations)]
              resources: [\(resources)]
        matchConditions:
      \(condition)
        validations:

      """
    }

    var binding: String {
      "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n" + metadata
        + "spec:\n  policyName: \(name).nodepassd.io\n  validationActions: [Deny]\n"
    }
  }

  private static let head = """
    # What no Role can say, for Kubernetes 1.30 and later: without these policies nodepassd's account can write every Secret
    # and every ConfigMap of kube-system. They bound writes only; what the account can read is told in roles.yaml.
    # Printed by `nodepassd install-rbac --print --only admission`.

    # nodepassd's account writes node-password Secrets of the right shape, and no other.

    """

  /// What nodepassd's account writes.
  private static let only = """
        - name: only-nodepassd
          expression: request.userInfo.username == '\(RightsManifest.user)'
    """

  private static let secrets = Policy(
    name: "secrets", comment: "",
    resources: "secrets",
    validations: #"""
          # The deletion of a collection has no name, and is denied.
          - expression: >-
              request.namespace == 'kube-system' && has(request.name) &&
              request.name.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?\\.node-password\\.(k3s|rke2)$')
            reason: Forbidden
            messageExpression: >-
              'nodepassd may only write node password Secrets, not ' + request.operation + ' ' +
              request.namespace + '/' + (has(request.name) ? request.name : '(a collection)')
          # What K3s and RKE2 write: a hash and nothing else, that nobody changes in place.
          - expression: >-
              request.operation == 'DELETE' ||
              (object.type in ['Opaque', 'k3s.cattle.io/node-password', 'rke2.cattle.io/node-password'] &&
              has(object.immutable) && object.immutable &&
              has(object.data) && 'hash' in object.data && object.data.all(k, k == 'hash'))
            reason: Forbidden
            message: not the shape of a node password Secret

      """#)

  private static let ledger = Policy(
    name: "ledger", comment: "# nodepassd's account makes its ledger and no other ConfigMap.\n",
    resources: "configmaps",
    validations: #"""
          - expression: request.namespace == 'kube-system' && has(request.name) && request.name == 'nodepassd-ledger'
            reason: Forbidden
            message: nodepassd may only write its ledger

      """#)

  /// A Node's annotations can be written by way of its status as well. The condition cannot fail, since it is asked for every
  /// heartbeat that a kubelet writes.
  private static let approvals = Policy(
    name: "approvals",
    comment: """
      # Nobody sets the annotation nodepassd.io/approve of a Node who may not delete Secrets in kube-system: a kubelet may
      # annotate its own Node otherwise. Only with this in force nodepassd takes the annotation for a person's word.

      """,
    resources: "nodes, nodes/status", operations: "CREATE, UPDATE",
    condition: #"""
          - name: sets-the-annotation
            expression: >-
              has(object.metadata.annotations) && 'nodepassd.io/approve' in object.metadata.annotations &&
              (oldObject == null || !has(oldObject.metadata.annotations) ||
              !('nodepassd.io/approve' in oldObject.metadata.annotations) ||
              oldObject.metadata.annotations['nodepassd.io/approve'] != object.metadata.annotations['nodepassd.io/approve'])
      """#,
    validations: #"""
          - expression: authorizer.group('').resource('secrets').namespace('kube-system').check('delete').allowed()
            reason: Forbidden
            message: only who may delete Secrets in kube-system may approve

      """#)
}
